"""A Ray cluster of two nodes of one CPU on this machine: says its address, removes a node for each line it reads."""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Keep the cluster until standard input closes."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(node)
        print("removed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
