"""The connection to the API server: credentials, address, and requests by path.

In a pod it uses the service account, otherwise the kubeconfig. The official client reads both and
handles TLS; its generated API is not used (see the package's docstring for its cost).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from sidecar.kube.proxy import proxy_for, with_scheme
from sidecar.kube.trouble import CredentialsError, Dropped, Silent, Trouble
from sidecar.process.imports import hollow

with hollow("kubernetes", "kubernetes.aio"):
    from kubernetes.aio.client.api_client import ApiClient
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.config import ConfigException
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader
    from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

DEFAULT_KUBECONFIG = "~/.kube/config"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 15.0
"""The timeout of a response other than a watch, and of a kubeconfig's command for a token."""

_MALFORMED = (yaml.YAMLError, AttributeError, KeyError, TypeError)
"""The exceptions that the client raises for an invalid kubeconfig."""
_USER_INFO = re.compile(r"[^\s/'\"]*@")
_UNREADABLE = (ConfigException, OSError, ValueError, *_MALFORMED)


class Connection:
    """Requests to one API server. Has to be closed.

    The constructor raises CredentialsError if there are no credentials, as far as this can be
    determined without network access.
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._environ = environ
        self._answer_seconds = answer_seconds
        self._opening = asyncio.Lock()
        self._client: ApiClient | None = None
        self._find()

    def _find(self) -> KubeConfigLoader | InClusterConfigLoader:
        """KUBECONFIG if set, else the pod's service account, else ~/.kube/config."""
        kubeconfig = self._environ.get("KUBECONFIG")
        try:
            if not kubeconfig and "KUBERNETES_SERVICE_HOST" in self._environ:
                return _service_account(self._environ)
            return _kubeconfig(kubeconfig or DEFAULT_KUBECONFIG)
        except (ConfigException, OSError) as error:
            raise CredentialsError(_line(error)) from None
        except _MALFORMED as error:
            raise CredentialsError(f"the kubeconfig is not well-formed: {_line(error)}") from None

    async def _opened(self) -> ApiClient:
        """A client with the current token, certificates and address. Raises Trouble."""
        async with self._opening:
            if self._client is None:
                try:
                    configuration = await self._configured()
                    # In a thread, since it reads certificates.
                    self._client = await asyncio.to_thread(ApiClient, configuration)
                except TimeoutError:
                    why = f"the kubeconfig's command timed out after {self._answer_seconds:g} s"
                    raise Trouble(f"The credentials cannot be read: {why}.") from None
                except (CredentialsError, aiohttp.ClientError, *_UNREADABLE) as error:
                    raise Trouble(f"The credentials cannot be read: {_line(error)}") from None
                self._client.user_agent = f"cache-sidecar/{version('cache-sidecar')}"
            return self._client

    async def _configured(self) -> Configuration:
        configuration = Configuration()
        # Python 3.13 holds certificates to the letter of RFC 5280, which the authorities of many
        # clusters do not keep, and kubectl does not ask for.
        configuration.disable_strict_ssl_verification = True
        loader = self._find()
        if isinstance(loader, InClusterConfigLoader):
            loader.load_and_set(configuration)
        else:
            async with asyncio.timeout(self._answer_seconds):  # it may run a command
                await loader.load_and_set(configuration)
        configuration.client_session_kwargs = {"trust_env": False}
        # That of the kubeconfig takes precedence, whatever NO_PROXY has, as for kubectl.
        if configuration.proxy:
            configuration.proxy = with_scheme(configuration.proxy)
        else:
            configuration.proxy = proxy_for(configuration.host, self._environ)
        return configuration

    async def close(self) -> None:
        """Close connections and discard credentials; the next request reads them again."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        silence_seconds: float | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The response, with any status; its body may be read inside.

        With `silence_seconds` it may last indefinitely, but times out after that long without data;
        otherwise the whole response has to arrive within `answer_seconds`. Raises Trouble, also for
        failures while the body is read.
        """
        client = await self._opened()
        try:
            call = await client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", **(headers or {})},
                body=body,
                auth_settings=["BearerToken"],  # which rereads its file periodically
            )
        except _UNREADABLE as error:
            raise Trouble(f"The credentials cannot be read: {_line(error)}") from None
        timeout = aiohttp.ClientTimeout(
            total=None if silence_seconds else self._answer_seconds,
            sock_connect=CONNECT_SECONDS,
            sock_read=silence_seconds,
        )
        try:
            answer = await client.call_api(*call, _request_timeout=timeout)
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            raise _dropped(error) from None  # a RuntimeError if it was closed meanwhile
        try:
            yield answer.response
        except (aiohttp.ClientError, OSError) as error:
            raise _dropped(error) from None
        finally:
            answer.response.close()


def _kubeconfig(paths: str) -> KubeConfigLoader:
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        raise ConfigException(f"{paths} does not exist; set KUBECONFIG, or run in a pod")
    return KubeConfigLoader(KubeConfigMerger(paths).config, config_base_path=None)


def _service_account(environ: Mapping[str, str]) -> InClusterConfigLoader:
    token = SERVICE_ACCOUNT / "token"
    if not token.is_file():
        raise ConfigException(f"{token} does not exist; mount the service account's token")
    loader = InClusterConfigLoader(str(token), str(SERVICE_ACCOUNT / "ca.crt"), environ=environ)
    loader.load_and_set(Configuration())
    return loader


def namespace_of_pod() -> str | None:
    """The namespace of this pod; None outside of a pod. Blocks."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip() or None
    except OSError:
        return None


def _dropped(error: Exception) -> Trouble:
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return Dropped(
            f"The proxy for the API server does not connect to it: {_line(error)}."
            " To connect without it, add the API server's address or network to NO_PROXY."
        )
    if isinstance(error, (aiohttp.NonHttpUrlClientError, ValueError)):
        return Dropped(
            f"The address of the API server, or of its proxy, is not valid: {_line(error)}"
        )
    if isinstance(error, TimeoutError):
        return Silent("The API server does not answer.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Dropped(f"The API server cannot be reached: {_line(error)}")
    if isinstance(error, aiohttp.ClientPayloadError):  # its message is about bytes
        return Dropped("The connection to the API server was interrupted.")
    return Dropped(f"The connection to the API server was interrupted: {_line(error)}")


def _line(error: Exception) -> str:
    """In one line. Without a name and a password, which a proxy's URL may have, since `/readyz`
    shows it to every pod.
    """
    return _USER_INFO.sub("", " ".join(str(error).split())) or type(error).__name__
