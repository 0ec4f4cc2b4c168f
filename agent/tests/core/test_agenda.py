from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sroamd.core.agenda import Agenda, Entry, Job
from tests.core.harness import ALICE, BOB


def due(agenda: Agenda, now: float) -> list[tuple[float, Job, object]]:
    found = []
    while (entry := agenda.pop_due(now)) is not None:
        found.append((entry.at, entry.job, entry.subject))
    return found


def test_empty_agenda_has_no_deadline() -> None:
    assert Agenda().next_at() is None
    assert Agenda().pop_due(1e9) is None


def test_nothing_is_due_before_its_time_and_all_of_it_at_its_time() -> None:
    agenda = Agenda()
    agenda.set(Job.PING, ALICE, 10.0)
    assert agenda.pop_due(9.999) is None
    assert agenda.next_at() == 10.0
    assert agenda.pop_due(10.0) == Entry(10.0, 1, Job.PING, ALICE)
    assert agenda.next_at() is None


def test_one_time_first_come_first_served() -> None:
    agenda = Agenda()
    for subject in (b"c", b"a", b"b"):
        agenda.set(Job.EXPIRE, subject, 5.0)
    assert [entry[2] for entry in due(agenda, 5.0)] == [b"c", b"a", b"b"]


def test_setting_again_moves_it_both_ways() -> None:
    agenda = Agenda()
    agenda.set(Job.PING, ALICE, 10.0)
    agenda.set(Job.PING, BOB, 20.0)
    agenda.set(Job.PING, ALICE, 30.0)
    agenda.set(Job.PING, BOB, 5.0)
    assert due(agenda, 100.0) == [(5.0, Job.PING, BOB), (30.0, Job.PING, ALICE)]


def test_set_earlier_moves_only_to_the_front() -> None:
    agenda = Agenda()
    agenda.set_earlier(Job.EXPIRE, b"k", 10.0)
    agenda.set_earlier(Job.EXPIRE, b"k", 20.0)
    assert agenda.next_at() == 10.0
    agenda.set_earlier(Job.EXPIRE, b"k", 5.0)
    assert due(agenda, 100.0) == [(5.0, Job.EXPIRE, b"k")]


def test_jobs_of_one_subject_are_independent() -> None:
    agenda = Agenda()
    agenda.set(Job.PING, ALICE, 1.0)
    agenda.set(Job.ANNOUNCE, ALICE, 2.0)
    agenda.clear(Job.PING, ALICE)
    assert due(agenda, 100.0) == [(2.0, Job.ANNOUNCE, ALICE)]


def test_clearing_what_is_not_there_is_nothing() -> None:
    agenda = Agenda()
    agenda.clear(Job.PING, ALICE)
    agenda.set(Job.PING, ALICE, 1.0)
    agenda.clear(Job.PING, ALICE)
    agenda.clear(Job.PING, ALICE)
    assert agenda.next_at() is None


def test_what_is_moved_a_million_times_takes_no_memory() -> None:
    agenda = Agenda()
    for number in range(20_000):
        agenda.set(Job.PING, ALICE, float(number))
        agenda.set(Job.PING, BOB, float(number))
        agenda.clear(Job.PING, BOB)
    assert len(agenda._heap) < 200


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("set", "earlier", "clear", "pop")), st.sampled_from((b"a", b"b", b"c")), st.integers(0, 9)
        ),
        max_size=200,
    )
)
def test_it_behaves_like_a_table_of_times(steps: list[tuple[str, bytes, int]]) -> None:
    agenda, table = Agenda(), dict[bytes, int]()
    for what, subject, at in steps:
        match what:
            case "set":
                agenda.set(Job.EXPIRE, subject, at)
                table[subject] = at
            case "earlier":
                agenda.set_earlier(Job.EXPIRE, subject, at)
                table[subject] = min(at, table.get(subject, at))
            case "clear":
                agenda.clear(Job.EXPIRE, subject)
                table.pop(subject, None)
            case _:
                entry = agenda.pop_due(at)
                assert (entry is None) == all(due_at > at for due_at in table.values())
                if entry is not None:
                    assert entry.at == min(table.values()) == table.pop(entry.subject)  # type: ignore[call-overload]
        assert agenda.next_at() == min(table.values(), default=None)
