"""Makes the dashboards, the recording rules and the alerts: `make dashboards`.

Queries, panels, dashboards, recording rules and alerts stand apart: `queries` knows PromQL and no
Grafana, `panels` knows Grafana and no metric, and a dashboard only puts the two together.
"""
