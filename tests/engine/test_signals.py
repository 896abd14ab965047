"""Requests to stop: collected in a block, shared by blocks inside it."""

import os
import signal

import pytest

from dlx.engine.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_inside_a_block_is_a_request(number):
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop.signal_number == number
    assert signal.getsignal(number) is before


def test_signal_inside_an_inner_block_stays_requested_in_the_outer_one():
    with stop_on_signals() as outer:
        with stop_on_signals() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
        assert outer.signal_number == signal.SIGTERM
        with stop_on_signals() as next_one:
            assert next_one.signal_number == signal.SIGTERM
    assert inner is outer
    with stop_on_signals() as fresh:
        assert not fresh


@pytest.mark.parametrize("done_first", [True, False])
def test_signal_ends_the_process_once_all_is_done(done_first):
    pid = os.fork()
    if pid == 0:
        with stop_on_signals() as stop:
            for act in (stop.done, lambda: os.kill(os.getpid(), signal.SIGINT))[:: 1 if done_first else -1]:
                act()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
