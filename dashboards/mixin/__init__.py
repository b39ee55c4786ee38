"""Generates the dashboards, the recording rules and the alerts: `make dashboards`.

`queries` contains PromQL and nothing of Grafana, `panels` contains Grafana's panels and no metric;
a dashboard combines the two.
"""
