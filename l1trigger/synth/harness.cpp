// Drives the RTL with one new event per clock and records its outputs before each rising edge.
//   sim INPUTS OUTPUTS EVENTS EXTRA      (files of 32-bit words; EXTRA clocks more, to empty the pipeline)
#include "Vmodel.h"
#include "verilated.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <vector>

template <class Port> void write_port(Port &port, const uint32_t *words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = words[0];
        if constexpr (sizeof(Port) > 4) value |= uint64_t(words[1]) << 32;
        port = Port(value);
    } else {
        for (int i = 0; i < INPUT_WORDS; i++) port[i] = words[i];
    }
}

template <class Port> void read_port(const Port &port, uint32_t *words) {
    if constexpr (std::is_integral_v<Port>) {
        words[0] = uint32_t(port);
        if constexpr (sizeof(Port) > 4) words[1] = uint32_t(uint64_t(port) >> 32);
    } else {
        for (int i = 0; i < OUTPUT_WORDS; i++) words[i] = port[i];
    }
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    const size_t events = std::strtoull(argv[3], nullptr, 10), extra = std::strtoull(argv[4], nullptr, 10);
    std::vector<uint32_t> inputs(events * INPUT_WORDS), idle(INPUT_WORDS, 0);
    std::vector<uint32_t> outputs((events + extra) * OUTPUT_WORDS);
    FILE *file = std::fopen(argv[1], "rb");
    if (!file || std::fread(inputs.data(), 4, inputs.size(), file) != inputs.size()) return 3;
    std::fclose(file);
    VerilatedContext context;
    Vmodel model{&context};
    for (size_t clock = 0; clock < events + extra; clock++) {
        write_port(model.model_inp, clock < events ? &inputs[clock * INPUT_WORDS] : idle.data());
        model.clk = 0;
        model.eval();
        read_port(model.model_out, &outputs[clock * OUTPUT_WORDS]);
        model.clk = 1;
        model.eval();
    }
    file = std::fopen(argv[2], "wb");
    if (!file || std::fwrite(outputs.data(), 4, outputs.size(), file) != outputs.size()) return 4;
    return std::fclose(file) ? 4 : 0;
}
