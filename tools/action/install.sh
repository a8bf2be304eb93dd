#!/usr/bin/env bash
# Installs what the action needs. INSTALL: what pip installs; empty for the version beside this script, "none" for
# nothing. SYSTEM: "true" to install a compiler and the sandbox's bubblewrap.
set -euo pipefail

if [[ $SYSTEM == true ]] && command -v apt-get >/dev/null; then
  sudo apt-get update -q
  sudo apt-get install -y -q bubblewrap g++
  # Ubuntu 24.04 lets no program without a profile make user namespaces.
  sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 || true
fi

case $INSTALL in
  none) exit 0 ;;
  "") set -- "${ACTION}[report]" ;;  # with what the HTML report needs
  *) read -r -a words <<<"$INSTALL" && set -- "${words[@]}" ;;
esac
# PyTorch's build for the CPU is a fraction of the one for CUDA, and runners have no GPU.
if ! command -v nvidia-smi >/dev/null && ! python -c 'import torch' 2>/dev/null; then
  python -m pip install -q torch --index-url https://download.pytorch.org/whl/cpu
fi
python -m pip install -q "$@"
