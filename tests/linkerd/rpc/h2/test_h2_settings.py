"""Settings as the library keeps them, in whatever order they are set and acknowledged."""

import sys

from h2.settings import SettingCodes, Settings
from hypothesis import given
from hypothesis import strategies as st

from linkerd.rpc.h2.settings import SmallSettings

CODES = st.sampled_from(
    [
        SettingCodes.INITIAL_WINDOW_SIZE,
        SettingCodes.MAX_FRAME_SIZE,
        SettingCodes.MAX_CONCURRENT_STREAMS,
        SettingCodes.MAX_HEADER_LIST_SIZE,
    ]
)
CHANGES = st.one_of(st.none(), st.tuples(CODES, st.integers(1 << 14, 1 << 20)))


@given(st.lists(CHANGES, max_size=20), st.booleans())
def test_any_changes(changes: list[tuple[SettingCodes, int] | None], client: bool) -> None:
    initial = {SettingCodes.MAX_HEADER_LIST_SIZE: 100}
    ours, librarys = SmallSettings(client, initial), Settings(client, initial)
    for change in changes:
        if change is None:
            of_ours, of_librarys = ours.acknowledge(), librarys.acknowledge()
            assert of_ours.keys() == of_librarys.keys()
            for code, changed in of_librarys.items():
                assert of_ours[code].original_value == changed.original_value
                assert of_ours[code].new_value == changed.new_value
        else:
            for settings in (ours, librarys):
                settings[change[0]] = change[1]
        assert [ours.get(code) for code in SettingCodes] == [
            librarys.get(code) for code in SettingCodes
        ]


def test_they_are_small() -> None:
    settings = SmallSettings(client=True, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    settings[SettingCodes.MAX_HEADER_LIST_SIZE] = 1
    assert sum(map(sys.getsizeof, settings._settings.values())) < 1024
