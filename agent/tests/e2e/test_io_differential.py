"""The same messages of clients to Kea, to dnsmasq and to the agent (RFC 2131 section 4.3)."""

from __future__ import annotations

import pytest

from tests.differential.compare import judge
from tests.differential.reasons import REASONS
from tests.differential.run import gather
from tests.differential.sequences import SCRIPTS, sequences

SEED, BY_CHANCE = 1, 60


@pytest.mark.spec("RFC 2131", "4.3")
@pytest.mark.conformance(
    "r2131_41_bcast",
    "r2131_t3_fields",
    "r2132_97_sid",
    "r2132_98_prl",
    "r6842_3_echo",
    "r2131_431_current",
    "r2131_431_requested",
    "r2131_431_time",
    "r2131_432_selecting_ok",
    "r2131_432_selecting_other",
    "r2131_432_initreboot_ok",
    "r2131_432_initreboot_wrongip",
    "r2131_432_initreboot_wrongnet",
    "r2131_432_initreboot_unknown",
    "r2131_432_renew_ok",
    "r2131_432_rebind",
    "r2131_433_decline",
    "r2131_434_release",
    "r2131_435_inform",
    "r2131_31_xid",
    "r4361_63_duid",
)
def test_where_kea_and_dnsmasq_agree_so_do_we_or_say_why_not() -> None:
    findings = gather(sequences(SEED, len(SCRIPTS) + BY_CHANCE))
    unexplained, unused = judge(findings.differences, REASONS)
    assert [str(each) for each in unexplained] == []
    assert [reason.difference for reason in unused] == [], "these differences are there no more"
    assert findings.faults == []
    assert findings.compared > 3 * len(SCRIPTS), "too little was compared"
