#!/usr/bin/env bash
# Makes the rivals' environment beside this script; a second call only checks it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python3.11}"
[ -x "$here/.venv/bin/python" ] || "$python" -m venv "$here/.venv"
"$here/.venv/bin/python" -m pip install --quiet --requirement "$here/requirements.txt"
"$here/.venv/bin/python" -c "import gcimpute.gaussian_copula, lightgbm, miceforest, sklearn"
