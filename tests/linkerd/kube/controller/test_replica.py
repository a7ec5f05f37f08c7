"""Who a replica says it is."""

import socket

import pytest

from linkerd.kube.controller.replica import holder_identity


class TestIdentity:
    def test_in_a_pod_it_is_the_pods_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        monkeypatch.setenv("HOSTNAME", "destination-5c9f-x7k2p")
        assert holder_identity() == "destination-5c9f-x7k2p"
        monkeypatch.delenv("HOSTNAME")
        assert holder_identity() == socket.gethostname()

    def test_elsewhere_processes_of_one_host_differ(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.setenv("HOSTNAME", "laptop")
        first, second = holder_identity(), holder_identity()
        assert first != second
        assert first.startswith("laptop_")
