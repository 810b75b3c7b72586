"""What a killed process leaves behind does not mislead the next one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cryptosource_store.embedded import PID_FILE, USERS_FILE, clean_data_dir

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="processes are looked up in /proc"
)


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_users_that_are_gone_are_forgotten_and_the_living_stay(tmp_path: Path, dead_pid: int):
    users = tmp_path / USERS_FILE
    users.write_text(json.dumps([dead_pid, os.getpid()]))

    clean_data_dir(tmp_path)

    assert json.loads(users.read_text()) == [os.getpid()]


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', '["x"]'])
def test_a_list_of_users_that_makes_no_sense_is_harmless(tmp_path: Path, content: str):
    (tmp_path / USERS_FILE).write_text(content)

    clean_data_dir(tmp_path)


def test_a_pid_file_that_names_a_stranger_is_dropped(tmp_path: Path):
    (tmp_path / PID_FILE).write_text(f"{os.getpid()}\n{tmp_path}\n")

    clean_data_dir(tmp_path)

    assert not (tmp_path / PID_FILE).exists()


def test_a_pid_file_of_a_dead_server_is_dropped(tmp_path: Path, dead_pid: int):
    (tmp_path / PID_FILE).write_text(f"{dead_pid}\n{tmp_path}\n")

    clean_data_dir(tmp_path)

    assert not (tmp_path / PID_FILE).exists()


def test_the_pid_file_of_a_living_server_of_this_folder_stays(tmp_path: Path):
    program = "print(flush=True); input()"  # its line says that it runs under its own command line
    stand_in = [sys.executable, "-c", program, "postgres", "-D", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(stand_in, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / PID_FILE).write_text(f"{process.pid}\n{tmp_path}\n")
        clean_data_dir(tmp_path)
        process.communicate(b"\n")

    assert (tmp_path / PID_FILE).exists()


def test_an_empty_folder_stays_empty(tmp_path: Path):
    clean_data_dir(tmp_path)

    assert list(tmp_path.iterdir()) == []
