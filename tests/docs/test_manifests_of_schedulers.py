"""The manifests of the guide to several machines: their syntax, and the variables that we read."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from transferkit.cli import cli
from transferkit.cluster.place import read_place, take_from_slurm

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "several_machines.md"


def shown(title):
    (found,) = re.findall(rf'^```\w+ title="{title}"\n(.*?)^```', GUIDE.read_text("utf-8"), re.M | re.S)
    return found


def take_apart(words):
    """What a manifest starts is a command as it is called."""
    assert words[:2] == ["transferkit", "retrain"]
    verb = cli.get_command(None, "retrain")
    given = verb.make_context("retrain", list(words[2:])).params
    assert words[words.index("--devices") + 1] == "multi_worker"
    return given


@pytest.fixture
def yaml():
    return pytest.importorskip("yaml")


@pytest.mark.parametrize("index", [0, 3])
def test_kubernetes(yaml, tmp_path, index):
    service, job = yaml.safe_load_all(shown("job.yaml"))
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    (container,) = spec["template"]["spec"]["containers"]
    # In place of the command stands one that says what it is given.
    stub = tmp_path / "transferkit"
    stub.write_text(
        '#!/bin/bash\nprintf "%s\\n" "$TF_CONFIG" > told\nprintf "%s\\n" transferkit "$@" > words\n'
    )
    stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": str(index)}
    command = [*container["command"], *container["args"]]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    place = read_place({"TF_CONFIG": (tmp_path / "told").read_text()})
    assert place.number == index
    port = container["ports"][0]["containerPort"]
    assert place.addresses == tuple(f"retrain-{n}.retrain:{port}" for n in range(spec["completions"]))
    assert spec["parallelism"] == spec["completions"]
    take_apart((tmp_path / "words").read_text().splitlines())


def test_slurm(tmp_path):
    script = tmp_path / "job.sbatch"
    script.write_text(shown("job.sbatch"))
    subprocess.run(["bash", "-n", script], check=True)
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", script.read_text(), re.M))
    words = shlex.split(script.read_text().replace("\\\n", " "), comments=True)
    assert words[0] == "srun"
    take_apart(words[words.index("transferkit") :])
    nodes, tasks = int(options["nodes"]), int(options["ntasks-per-node"])
    # What Slurm sets in the last task of such a job.
    environment = {
        "SLURM_JOB_ID": "77",
        "SLURM_PROCID": str(nodes * tasks - 1),
        "SLURM_STEP_NUM_TASKS": str(nodes * tasks),
        "SLURM_STEP_NODELIST": f"node[1-{nodes}]",
        "SLURM_STEP_TASKS_PER_NODE": f"{tasks}(x{nodes})",
    }
    for name in environment:
        assert name == "SLURM_JOB_ID" or f"`{name}`" in GUIDE.read_text("utf-8")
    assert take_from_slurm(environment)
    place = read_place(environment)
    assert (place.number, place.addresses[-1]) == (nodes * tasks - 1, f"node{nodes}:20077")


def test_vertex(yaml):
    pools = yaml.safe_load(shown("vertex.yaml"))["workerPoolSpecs"]
    assert pools[0]["replicaCount"] == 1
    runs = [take_apart([*one["containerSpec"]["command"], *one["containerSpec"]["args"]]) for one in pools]
    assert runs[0] == runs[1]
    # As Vertex AI sets it in the second replica of the second pool.
    cluster = {"chief": ["pool0-0:2222"], "worker": [f"pool1-{n}:2222" for n in range(3)]}
    told = {"cluster": cluster, "task": {"type": "worker", "index": 1, "trial": ""}, "environment": "cloud"}
    place = read_place({"TF_CONFIG": json.dumps(told)})
    assert (place.number, place.count, place.is_chief) == (2, 4, False)
