"""The scripts of the pipelines do what their guide says: which programs they call, with what, and what becomes of a failure."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.examples.pipelines import AZURE, GITHUB, PIPELINES, run

STAND_IN = """#!/usr/bin/env bash
for word; do [[ $before == --name ]] && named=$word; before=$word; done
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
  "pulumi stack output resourceGroup"*) echo scoring-dev ;;
  "pulumi stack output batchAccount"*) echo scoringbatch ;;
  "jq "*) cat >/dev/null; echo "image mine.azurecr.io/scorer@sha256:6" ;;
  "pulumi stack output registry"*) echo scoringimages ;;
  "az storage account list"*) printf 'scoringdata\\nscoringops\\n' ;;
  "az storage account network-rule"*scoringdata*) exit "${REFUSED:-0}" ;;
  "az "*" --query principalId "*) echo "principal-of-$named" ;;
  "az ad signed-in-user show"*) echo me ;;
  "az keyvault key show"*) exit "${NO_KEY:-0}" ;;
  "az "*" --query "*) echo "/id/of/$named" ;;
  "docker inspect"*submitter*) printf 'mine.azurecr.io/submitter@sha256:%064d\\n' 8 ;;
  "docker inspect"*) printf 'other/scorer@sha256:1\\nmine.azurecr.io/scorer@sha256:%064d\\n' 7 ;;
  "docker run"*) echo '{}' ;;
  "go env"*) dirname "$0" ;;
  "grype "*) exit "${HOLES:-0}" ;;
  "cosign verify"*) exit "${FORGED:-0}" ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """Programs that write down how they were called."""
    for name in ("az", "pulumi", "docker", "cosign", "sleep", "curl", "go", "grype", "jq", "make", "sh", "sudo"):
        program = tmp_path / name
        program.write_text(STAND_IN)
        program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"), "RUNNER_ADDRESS": "203.0.113.7"}


def calls(programs: dict[str, str], name: str) -> list[str]:
    return [line for line in Path(programs["CALLS"]).read_text().splitlines() if line.startswith(f"{name} ")]


@pytest.mark.parametrize("action", ["add", "remove"])
def test_a_runner_is_let_in_and_out_everywhere(action: str, programs: dict[str, str]) -> None:
    done = run(PIPELINES / "runner_address.sh", action, "dev", **programs)
    assert done.returncode == 0, done.stderr
    rules = [line for line in calls(programs, "az") if "network-rule" in line]
    assert len(rules) == 3
    assert all(f"network-rule {action} " in line and "--ip-address 203.0.113.7" in line for line in rules)


def test_an_address_is_taken_away_where_it_can_be_though_one_account_refuses(programs: dict[str, str]) -> None:
    done = run(PIPELINES / "runner_address.sh", "remove", "dev", **{**programs, "REFUSED": "1"})
    assert done.returncode == 1
    assert len([line for line in calls(programs, "az") if "network-rule remove" in line]) == 3


@pytest.mark.parametrize("address", ["", "::1", "<html>", "1.2.3.4; rm -rf /"])
def test_what_is_no_address_opens_nothing(address: str, programs: dict[str, str]) -> None:
    done = run(PIPELINES / "runner_address.sh", "add", "dev", **{**programs, "RUNNER_ADDRESS": address})
    assert done.returncode == 1
    assert "is no IPv4 address: set RUNNER_ADDRESS." in done.stderr
    assert not calls(programs, "az")


def test_an_image_is_signed_by_digest_with_its_bill_of_materials(programs: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    done = run(PIPELINES / "push_signed.sh", "scorer", "mine.azurecr.io", **programs, GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    reference = f"mine.azurecr.io/scorer@sha256:{7:064d}"
    assert output.read_text() == f"reference={reference}\n"
    sign, attest = calls(programs, "cosign")
    assert sign == f"cosign sign --yes {reference}"
    assert re.fullmatch(rf"cosign attest --yes --type cyclonedx --predicate \S+ {reference}", attest)


DEVOPS = {
    "STACK": "dev", "STATE_ACCOUNT": "acme", "PULUMI_VERSION": "3.259.0", "REGISTRY": "mine.azurecr.io",
    "COSIGN_VERSION": "v3.1.3", "GRYPE_VERSION": "v0.121.3", "SIGNING_KEY": "azurekms://acme.vault.azure.net/images",
    "SCORER": "mine.azurecr.io/scorer@sha256:7", "SUBMITTER": "mine.azurecr.io/submitter@sha256:7",
}  # fmt: skip


def test_azure_devops_signs_what_it_has_scanned_with_a_key_of_the_vault(programs: dict[str, str]) -> None:
    done = run(AZURE.with_name("images.sh"), **programs, **DEVOPS)
    assert done.returncode == 0, done.stderr
    said = [
        line for line in Path(programs["CALLS"]).read_text().splitlines() if re.match("docker (build|push)|grype|cosign", line)
    ]
    assert [" ".join(line.split()[:2]) for line in said] == [
        *["docker build", "grype docker:scorer:new", "docker build", "grype docker:submitter:new"],
        *["docker push", "cosign sign", "cosign attest"] * 2,
    ]
    for line in calls(programs, "cosign"):
        assert f"--key {DEVOPS['SIGNING_KEY']} " in line
    assert (
        f"##vso[task.setvariable variable=scorer;isOutput=true]mine.azurecr.io/scorer@sha256:{7:064d}" in done.stdout.splitlines()
    )


def test_azure_devops_pushes_nothing_with_known_holes(programs: dict[str, str]) -> None:
    assert run(AZURE.with_name("images.sh"), **programs, **DEVOPS, HOLES="1").returncode == 1
    assert not [line for line in calls(programs, "docker") if line.startswith("docker push")]
    assert not calls(programs, "cosign")


@pytest.mark.parametrize("forged", ["0", "1"])
def test_azure_devops_updates_with_signed_images_alone(forged: str, programs: dict[str, str]) -> None:
    # `scorer` of the checkout's environment, which the last step calls, isn't there: the update is what counts here.
    done = run(AZURE.with_name("deploy.sh"), "up", **programs, **DEVOPS, FORGED=forged)
    said = calls(programs, "cosign") + calls(programs, "pulumi")
    verified = [line for line in said if line.startswith("cosign verify --key ")]
    updated = [line for line in said if line.startswith("pulumi up ")]
    taken = [line for line in said if line.startswith("pulumi config set ")]
    if forged == "1":
        assert done.returncode
        assert (len(verified), taken, updated) == (1, [], [])
    else:
        assert [line.split()[-1] for line in verified] == [DEVOPS["SCORER"], DEVOPS["SUBMITTER"]]
        assert [line.split()[-2:] for line in taken] == [["image", DEVOPS["SCORER"]], ["submitterImage", DEVOPS["SUBMITTER"]]]
        assert len(updated) == 1
    assert "cosign public-key --key azurekms://acme.vault.azure.net/images" in said


def test_azure_devops_preview_leaves_the_images_as_they_are(programs: dict[str, str]) -> None:
    assert run(AZURE.with_name("deploy.sh"), "preview", **programs, **DEVOPS).returncode == 0
    assert [" ".join(line.split()[:4]) for line in calls(programs, "pulumi")] == [
        "pulumi stack output images", "pulumi config set --stack", "pulumi preview --stack dev",
    ]  # fmt: skip


def granted(programs: dict[str, str]) -> set[tuple[str, str, str]]:
    """Who has which role on what."""
    made = [line for line in calls(programs, "az") if line.startswith("az role assignment create")]
    parts = [re.search(r"--assignee-object-id (\S+) .*--role (.+) --scope (\S+)", line) for line in made]
    return {(part[1], part[2], part[3]) for part in parts if part}


def test_a_team_s_state_has_no_key_and_keeps_its_versions(programs: dict[str, str]) -> None:
    done = run(PIPELINES / "bootstrap.sh", "state", "westeurope", "acmescoring", **programs, NO_KEY="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "pulumi login 'azblob://state?storage_account=acmescoring'",
        "pulumi stack init STACK --secrets-provider 'azurekeyvault://acmescoring.vault.azure.net/keys/pulumi'",
    ]
    said = "\n".join(calls(programs, "az"))
    for option in ("--allow-shared-key-access false", "--allow-blob-public-access false", "--enable-versioning true"):
        assert option in said
    assert "az keyvault key create --vault-name acmescoring --name pulumi" in said
    assert granted(programs) == {
        ("me", "Storage Blob Data Contributor", "/id/of/acmescoring/blobServices/default/containers/state"),
        ("me", "Key Vault Crypto Officer", "/id/of/acmescoring"),
    }


def test_a_key_that_is_there_stays(programs: dict[str, str]) -> None:
    assert run(PIPELINES / "bootstrap.sh", "state", "westeurope", "acmescoring", **programs).returncode == 0
    assert not [line for line in calls(programs, "az") if "key create" in line]


def test_each_identity_has_its_rights_and_trusts_one_environment(programs: dict[str, str]) -> None:
    done = run(PIPELINES / "bootstrap.sh", "identities", "acmescoring", "dev", "acme/scoring", **programs)
    assert done.returncode == 0, done.stderr
    state, key = "/id/of/acmescoring/blobServices/default/containers/state", "/id/of/acmescoring/keys/pulumi"
    group, registry = "/id/of/scoring-dev", "/id/of/scoringimages"
    preview, images, up = (f"principal-of-acmescoring-{name}" for name in ("preview", "images", "dev"))
    assert granted(programs) == {
        (preview, "Storage Blob Data Reader", state),
        (preview, "Key Vault Crypto User", key),
        (preview, "Reader", group),
        (images, "AcrPush", registry),
        (up, "Storage Blob Data Contributor", state),
        (up, "Key Vault Crypto User", key),
        (up, "Contributor", group),
        (up, "User Access Administrator", group),
        (up, "AcrPull", registry),
    }
    subjects = re.findall(r"--subject (\S+)", "\n".join(calls(programs, "az")))
    assert subjects == [f"repo:acme/scoring:environment:{name}" for name in ("preview", "images", "dev")]
    read = set(re.findall(r"vars\.(\w+)", GITHUB.read_text()))
    assert set(re.findall(r"^(\w+)=", done.stdout, re.MULTILINE)) == read, "what it prints is what the workflow reads"


def test_who_signs_and_who_updates_are_two(programs: dict[str, str]) -> None:
    done = run(PIPELINES / "bootstrap.sh", "signing", "acmescoring", "images-id", "up-id", **programs, NO_KEY="1")
    assert (done.returncode, done.stdout) == (0, "signingKey=azurekms://acmescoring.vault.azure.net/images\n"), done.stderr
    key = "/id/of/acmescoring/keys/images"
    assert granted(programs) == {("images-id", "Key Vault Crypto User", key), ("up-id", "Key Vault Reader", key)}
    assert [line for line in calls(programs, "az") if "key create" in line and "--kty EC --curve P-256 --ops sign verify" in line]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["signing", "acmescoring", "images-id"],
        ["state", "westeurope"],
        ["state", "westeurope", "Acme-Scoring"],
        ["identities", "acmescoring", "dev", "no repository"],
        ["identities", "acmescoring", "dev"],
        ["everything", "a", "b", "c"],
    ],
)
def test_what_is_missing_or_wrong_is_answered_by_the_usage(words: list[str], programs: dict[str, str]) -> None:
    done = run(PIPELINES / "bootstrap.sh", *words, **programs)
    assert done.returncode == 2
    assert "bootstrap.sh state LOCATION NAME" in done.stderr
    assert not Path(programs["CALLS"]).exists()
