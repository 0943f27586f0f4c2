#!/usr/bin/env bash
# uproot 5.7.7: assigning a dictionary of arrays to a name in a writable file makes an RNTuple and no TTree, so that ROOT
# macros which ask for a tree of that name find none; `mktree` writes a TTree. An optional column (awkward's option type)
# of such an RNTuple is read back as NumPy masked array without an error, and what is done with the data alone takes the
# number under the mask.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q uproot==5.7.7 awkward==2.9.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import awkward as ak
import numpy as np
import uproot

with uproot.recreate("events.root") as f:
    f["events"] = {"pt": np.array([1.0, 2.0])}
    f.mktree("tree", {"pt": np.float64})
    f["tree"].extend({"pt": np.array([1.0, 2.0])})
with uproot.open("events.root") as f:
    kinds = f.classnames()
print("uproot", uproot.__version__, kinds)
assert kinds == {"events;1": "ROOT::RNTuple", "tree;1": "TTree"}, kinds

with uproot.recreate("missing.root") as f:
    f["events"] = ak.Array({"pt": [1.0, None, 3.0]})
with uproot.open("missing.root") as f:
    column = f["events"].arrays(library="np")["pt"]
print(type(column).__name__, column)
assert isinstance(column, np.ma.MaskedArray) and column.mask.tolist() == [False, True, False], column
PYTHON
