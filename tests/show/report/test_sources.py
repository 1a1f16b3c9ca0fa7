from __future__ import annotations

from tradewind.show.report.sources import sources_section


def test_what_was_measured_has_a_host_a_date_and_a_method(story):
    body = sources_section(story.OBSERVED).body

    assert story.HOST.cpu_model in body
    assert "2026-08-21 14:03 UTC" in body
    assert "paired bootstrap, 1000 resamples" in body
    assert "2026-08-21 14:11 UTC; 10 s of independent arrivals" in body
    assert "independent arrivals" not in sources_section(story.PLANNED).body


def test_every_constant_has_its_error_and_what_it_was_fitted_on(story):
    body = sources_section(story.PLANNED).body

    for name, constant in story.CALIBRATION.constants.items():
        assert name in body
        assert constant.fitted_on in body
    assert "210 us" in body
    assert "± 30.0 us, 6 residuals" in body
    assert "± 14 %" in body
    assert body.count("badge assumed") == 1
    assert "(measured)</span></span> measured 2026-08-20" in body
    assert "(quoted)</span></span> STREAM triad" in body


def test_every_price_has_a_source_a_date_and_a_confidence(story):
    body = sources_section(story.PLANNED).body

    for source, as_of, trust in story.SOURCES.values():
        assert source in body
        assert as_of in body
        assert f"{trust}: " in body


def test_a_corrected_plan_shows_its_own_constants(story):
    assert "290 us" in sources_section(story.REPLANNED).body
    assert "290 us" not in sources_section(story.OBSERVED).body
