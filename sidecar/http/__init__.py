"""The data API for the application and the ops API for Prometheus and the kubelet, over aiohttp."""
