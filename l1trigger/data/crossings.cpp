// Bunch crossings from pool rows: towers summed, digitized, and turned into regions and trigger objects, one crossing at
// a time, so that its tower map stays in the processor's first cache. What it computes is stated by
// `l1trigger/data/electronics.py` in NumPy, with which it agrees in every integer; all arithmetic is in integers, but
// for the one fraction of e/gamma identification.

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

constexpr int ETA = 56, PHI = 72, DEPTHS = 2;
// One line of the map is one depth at one phi. Lines of 64 towers make mirroring in eta an exclusive or.
constexpr int LINE = 64, MAP = PHI * DEPTHS * LINE, MIRROR = LINE - 1, SHIFT = LINE - ETA;
constexpr int PAD = 8, ROW = ETA + 2 * PAD, ROWS = PHI + 2 * PAD;
constexpr int UNITS = 5;          // 1/64 GeV to 0.5 GeV: five bits
constexpr int LARGEST_TOWER = 255;  // of each depth
constexpr int REGION = 4, REGIONS_PHI = PHI / REGION, REGIONS_ETA = ETA / REGION;
constexpr int OBJECTS = 19, FEATURES = 3;
constexpr int LARGEST_PT = 4095, PHI_STEPS = 2 * PHI;
constexpr int EGAMMAS = 4, FIRST_EGAMMA = 1, JETS = 10, FIRST_JET = 9;

struct Settings {
    int32_t jet, jet_seed, egamma, egamma_seed, largest_region;
    int32_t eta_centre[ETA];
};

using Padded = int16_t[ROWS][ROW];

struct Object {
    int32_t pt, eta, phi;
};

// Writes the leading objects of one kind, the larger pT first, equal ones in the order in which they were found.
template <int COUNT> class Leading {
  public:
    void add(int32_t pt, int32_t eta, int32_t phi) {
        int at = found;
        while (at > 0 && of[at - 1].pt < pt) {
            if (at < COUNT) of[at] = of[at - 1];
            --at;
        }
        if (at < COUNT) {
            of[at] = {pt, eta, phi};
            found = std::min(found + 1, COUNT);
        }
    }
    void write(int16_t* to) const {
        for (int i = 0; i < found; ++i) {
            to[FEATURES * i] = static_cast<int16_t>(std::min(of[i].pt, LARGEST_PT));
            to[FEATURES * i + 1] = static_cast<int16_t>(of[i].eta);
            to[FEATURES * i + 2] = static_cast<int16_t>(of[i].phi);
        }
    }

  private:
    Object of[COUNT];
    int found = 0;
};

inline int sum(const Padded& map, int phi, int eta, int phi_from, int phi_to, int eta_from, int eta_to) {
    int total = 0;
    for (int p = phi + phi_from; p <= phi + phi_to; ++p)
        for (int e = eta + eta_from; e <= eta + eta_to; ++e) total += map[p][e];
    return total;
}

// Larger than all before the centre and not smaller than all behind, so that equal towers give one object.
template <int REACH> inline bool local_maximum(const Padded& map, int phi, int eta) {
    const int16_t centre = map[phi][eta];
    bool best = true;
    for (int p = -REACH; p <= 0; ++p)
        for (int e = -REACH; e <= (p < 0 ? REACH : -1); ++e) best &= map[phi + p][eta + e] < centre;
    if (!best) return false;
    for (int p = 0; p <= REACH; ++p)
        for (int e = p > 0 ? -REACH : 1; e <= REACH; ++e) best &= map[phi + p][eta + e] <= centre;
    return best;
}

// Towers of at least the threshold in the order phi, eta; how many there are.
inline int seeds(const Padded& map, int threshold, uint16_t* at) {
    int count = 0;
    for (int p = PAD; p < PAD + PHI; ++p)
        for (int e = PAD; e < PAD + ETA; ++e) {
            at[count] = static_cast<uint16_t>(p * ROW + e);
            count += map[p][e] >= threshold;
        }
    return count;
}

inline int signed_phi(int seed) { return (2 * seed + 1 + PHI_STEPS / 2) % PHI_STEPS - PHI_STEPS / 2; }

void find_jets(const Padded& towers, const Settings& s, uint16_t* at, int16_t* objects) {
    Leading<JETS> jets;
    const int count = seeds(towers, s.jet_seed, at);
    for (int i = 0; i < count; ++i) {
        const int phi = at[i] / ROW, eta = at[i] % ROW;
        if (!local_maximum<4>(towers, phi, eta)) continue;
        int strip[4] = {sum(towers, phi, eta, 5, 7, -4, 4), sum(towers, phi, eta, -7, -5, -4, 4),
                        sum(towers, phi, eta, -4, 4, 5, 7), sum(towers, phi, eta, -4, 4, -7, -5)};
        const int largest = std::max(std::max(strip[0], strip[1]), std::max(strip[2], strip[3]));
        const int et = sum(towers, phi, eta, -4, 4, -4, 4) - (strip[0] + strip[1] + strip[2] + strip[3] - largest);
        if (et >= s.jet) jets.add(et, s.eta_centre[eta - PAD], signed_phi(phi - PAD));
    }
    jets.write(objects + FEATURES * FIRST_JET);
}

void find_egammas(const Padded& towers, const Padded& ecal, const Settings& s, uint16_t* at, int16_t* objects) {
    Leading<EGAMMAS> egammas;
    const int count = seeds(ecal, s.egamma_seed, at);
    for (int i = 0; i < count; ++i) {
        const int phi = at[i] / ROW, eta = at[i] % ROW;
        if (!local_maximum<1>(ecal, phi, eta)) continue;
        const int et = sum(ecal, phi, eta, -1, 1, -1, 1), whole = sum(towers, phi, eta, -1, 1, -1, 1);
        if (et < s.egamma || et < 0.85 * whole) continue;
        const int ring = sum(towers, phi, eta, -4, 4, -2, 2) - whole;
        if (4 * ring <= 80 + et) egammas.add(et, s.eta_centre[eta - PAD], signed_phi(phi - PAD));
    }
    egammas.write(objects + FEATURES * FIRST_EGAMMA);
}

void add_row(int32_t* map, const uint32_t* deposit, int64_t size, int turn, bool flip) {
    const int32_t offset = turn * DEPTHS * LINE, mask = flip ? MIRROR : 0;
    const int32_t start = offset - (flip ? SHIFT : 0);
    for (int64_t i = 0; i < size; ++i) {
        int32_t cell = (static_cast<int32_t>(deposit[i] & 0xffff) ^ mask) + start;
        cell -= cell >= MAP ? MAP : 0;
        map[cell] += static_cast<int32_t>(deposit[i] >> 16);
    }
}

// Towers of 0.5 GeV with their margins: phi wraps around, eta ends in zeros.
void digitize(const int32_t* map, Padded& towers, Padded& ecal) {
    for (int p = 0; p < PHI; ++p) {
        const int32_t *first = map + p * DEPTHS * LINE, *second = first + LINE;
        for (int e = 0; e < ETA; ++e) {
            const int32_t em = std::min(first[e] >> UNITS, LARGEST_TOWER);
            const int32_t had = std::min(second[e] >> UNITS, LARGEST_TOWER);
            ecal[p + PAD][e + PAD] = static_cast<int16_t>(em);
            towers[p + PAD][e + PAD] = static_cast<int16_t>(em + had);
        }
    }
    for (Padded* m : {&towers, &ecal}) {
        std::memcpy((*m)[0], (*m)[PHI], sizeof(int16_t) * PAD * ROW);
        std::memcpy((*m)[PHI + PAD], (*m)[PAD], sizeof(int16_t) * PAD * ROW);
    }
}

void sum_regions(const Padded& towers, int32_t largest, int16_t* regions, int32_t* lines) {
    for (int r = 0; r < REGIONS_PHI; ++r) {
        int16_t four[ETA] = {};
        for (int p = r * REGION; p < (r + 1) * REGION; ++p) {
            int32_t line = 0;
            for (int e = 0; e < ETA; ++e) {
                const int16_t et = towers[p + PAD][e + PAD];
                four[e] = static_cast<int16_t>(four[e] + et);
                line += et;
            }
            lines[p] = line;
        }
        for (int e = 0; e < REGIONS_ETA; ++e) {
            const int32_t et = four[4 * e] + four[4 * e + 1] + four[4 * e + 2] + four[4 * e + 3];
            regions[r * REGIONS_ETA + e] = static_cast<int16_t>(std::min(et, largest));
        }
    }
}

}  // namespace

// Args: deposits of the pool, cell in the lower and 1/64 GeV in the upper 16 bits; where each pool row begins among them
// and its size; the rows of the crossings one behind the other, how each is turned and mirrored, and where each crossing
// begins among them, one more than crossings; settings. Results: objects without missing ET and muons, zeroed before;
// regions; ET of each line of towers in phi, for missing ET.
extern "C" void l1trigger_crossings(
    const uint32_t* deposits, const int64_t* begin, const int32_t* size, const int64_t* rows, const uint8_t* turn,
    const uint8_t* flip, const int64_t* first, int64_t crossings, const int32_t* settings, int16_t* objects,
    int16_t* regions, int32_t* lines) {
    Settings s;
    std::memcpy(&s, settings, sizeof s);
    alignas(64) int32_t map[MAP];
    alignas(64) Padded towers = {}, ecal = {};
    uint16_t at[PHI * ETA + 1];
    for (int64_t c = 0; c < crossings; ++c) {
        std::memset(map, 0, sizeof map);
        for (int64_t i = first[c]; i < first[c + 1]; ++i) {
            // Rows lie anywhere in memory: what comes soon is fetched while this one is added.
            if (i + 6 < first[crossings]) {
                const char* soon = reinterpret_cast<const char*>(deposits + begin[rows[i + 6]]);
                for (int line = 0; line < 4; ++line) __builtin_prefetch(soon + 64 * line);
            }
            if (i + 16 < first[crossings]) {
                __builtin_prefetch(begin + rows[i + 16]);
                __builtin_prefetch(size + rows[i + 16]);
            }
            add_row(map, deposits + begin[rows[i]], size[rows[i]], turn[i], flip[i] != 0);
        }
        digitize(map, towers, ecal);
        sum_regions(towers, s.largest_region, regions + c * REGIONS_PHI * REGIONS_ETA, lines + c * PHI);
        find_jets(towers, s, at, objects + c * OBJECTS * FEATURES);
        find_egammas(towers, ecal, s, at, objects + c * OBJECTS * FEATURES);
    }
}
