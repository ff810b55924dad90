"""Dashboards for Grafana, made from the metric catalogue: `python -m deploy.grafana` writes dashboards/*.json."""
