#!/usr/bin/env bash
# Prometheus with our rules, and Grafana with our dashboards where it is installed, until Ctrl-C.
#
#     deploy/local/run.sh [FOLDER]      their data; default: runs/monitoring
#
# Prometheus scrapes telemetry.port = 9400 of this machine, for up to sixteen ranks. Both are seen from this machine only.
# PROMETHEUS_PORT (9090) and GRAFANA_PORT (3000) say where; GRAFANA_HOME (/usr/share/grafana) is where Grafana's own
# files are.
set -euo pipefail
deploy="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
folder="${1:-runs/monitoring}"
port="${PROMETHEUS_PORT:-9090}"
export PROMETHEUS_URL="http://127.0.0.1:$port"
export LMMTC_DASHBOARDS="$deploy/grafana/dashboards"

if ! command -v prometheus >/dev/null; then
  echo "Prometheus is not installed: apt-get install prometheus, or https://prometheus.io/download" >&2
  exit 1
fi
mkdir -p "$folder"
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM
prometheus --config.file="$deploy/prometheus/prometheus.yml" --storage.tsdb.path="$folder/prometheus" \
  --web.listen-address="127.0.0.1:$port" &
echo "Prometheus: $PROMETHEUS_URL"

grafana=()
if command -v grafana >/dev/null; then grafana=(grafana server); fi
if [ ${#grafana[@]} = 0 ] && command -v grafana-server >/dev/null; then grafana=(grafana-server); fi
if [ ${#grafana[@]} = 0 ]; then
  echo "Grafana is not installed, so there are no dashboards: https://grafana.com/grafana/download" >&2
else
  export GF_PATHS_PROVISIONING="$deploy/local/provisioning" GF_PATHS_DATA="$(realpath "$folder")/grafana"
  export GF_PATHS_LOGS="$GF_PATHS_DATA/logs" GF_PATHS_PLUGINS="$GF_PATHS_DATA/plugins"
  export GF_SERVER_HTTP_ADDR=127.0.0.1 GF_SERVER_HTTP_PORT="${GRAFANA_PORT:-3000}"
  # Who reaches it sits at this machine: they may look without a password.
  export GF_AUTH_ANONYMOUS_ENABLED=true GF_ANALYTICS_REPORTING_ENABLED=false GF_ANALYTICS_CHECK_FOR_UPDATES=false
  "${grafana[@]}" --homepath "${GRAFANA_HOME:-/usr/share/grafana}" &
  echo "Grafana:    http://127.0.0.1:$GF_SERVER_HTTP_PORT/dashboards?tag=lmmtc"
fi
wait -n # the end of one is the end of both
