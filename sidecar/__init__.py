"""cache-sidecar: a three-tier cache that runs beside an application in its pod."""
