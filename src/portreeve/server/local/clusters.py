"""Which clusters are kept from here: from the settings to connections, keys and directories.

A kubeconfig names programs that are run, and files that are read, with the rights of this process. So it is named by
whoever starts the process, on the command line or in its environment, and by nothing else: no document, no request.
What such a program inherits is the environment without our own settings, which may hold a password.

The key stands beside the other keys and not in the data directory: the database holds what is sealed for it, and a
backup of one must not open the other (`server.keys`).

An embedded database is locked by one process, so one process keeps the cluster. On a database server there may be
replicas, of which each would do so; that is what an agent is for, and it is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from portreeve.core.cluster import is_dns_label
from portreeve.core.reference import shown
from portreeve.errors import Conflict, Invalid
from portreeve.kube import files
from portreeve.kube.kubeconfig import Connection, connection, find
from portreeve.server import data_directory
from portreeve.server.database.engine import embedded_file
from portreeve.server.settings import LocalCluster, Settings
from portreeve.vault import sealing
from portreeve.vault.sealing import OpeningKey

DIRECTORY: Final = "local"
"""In the data directory: what is ours in each cluster, and which document was believed last."""


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """A cluster that is kept from here. `key` opens what is sealed for its environment."""

    cluster: LocalCluster
    connection: Connection
    key: OpeningKey
    directory: Path

    @property
    def environment(self) -> str:
        """The environment that it is."""
        return self.cluster.environment


def reached(settings: Settings, inherited: Mapping[str, str], now: Callable[[], datetime]) -> tuple[Reached, ...]:
    """The clusters of the settings; none of them is contacted, and keys are made where there are none.

    Raises:
        Conflict: `local_needs_embedded`. Invalid: `local_cluster`, `data_directory`, and what is wrong with a
            kubeconfig. Stalled: `sealing_key_file`.
    """
    if not settings.local_clusters:
        return ()
    if embedded_file(settings.database_url) is None:
        raise Conflict(
            "local_needs_embedded",
            "a cluster is kept from here with the embedded database alone: replicas would each keep it",
            hint="enrol an agent: portreeve add environment NAME",
        )
    names = [one.environment for one in settings.local_clusters]
    for name in names:
        # It becomes a part of paths.
        if not is_dns_label(name):
            raise Invalid("local_cluster", f"{shown(name)} is no name of an environment", hint="see its metadata.name")
        if names.count(name) > 1:
            raise Invalid("local_cluster", f"{name} is named twice", hint="an environment is one cluster")
    plugins = {name: value for name, value in inherited.items() if not name.startswith("PORTREEVE_")}
    # Nothing is made before everything was read.
    connections = [_connected(one, plugins, now) for one in settings.local_clusters]
    data_directory.prepare(settings.keys_directory)
    found = []
    for cluster, connected in zip(settings.local_clusters, connections, strict=True):
        directory = settings.data.absolute() / DIRECTORY / cluster.environment
        data_directory.prepare(directory)
        key = sealing.from_file(settings.keys_directory / f"local-{cluster.environment}.key")
        found.append(Reached(cluster, connected, key, directory))
    return tuple(found)


def _connected(cluster: LocalCluster, inherited: Mapping[str, str], now: Callable[[], datetime]) -> Connection:
    path = cluster.kubeconfig.absolute()
    if os.pathsep in str(path):
        raise Invalid("local_cluster", f"{path} holds {os.pathsep!r}, which parts a list of files", hint="rename it")
    # A list of files may name one that is not there; this is one, and was named.
    files.read(path, "the kubeconfig")
    found = find({"KUBECONFIG": str(path)})
    return connection(found, cluster.context, environment=inherited, now=now)
