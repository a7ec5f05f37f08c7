"""The settings of a connection's two sides, in a tenth of the library's memory."""

from typing import Any

from h2.settings import SettingCodes, Settings


class _Values(list[int]):
    """Of one setting: the current one, and those that are not acknowledged. The library's deque
    takes 700 bytes for each."""

    def popleft(self) -> int:
        """As a deque's."""
        return self.pop(0)


class SmallSettings(Settings):
    """As the library's."""

    def __init__(self, client: bool, initial_values: dict[SettingCodes, int] | None = None) -> None:
        super().__init__(client, initial_values)
        for code in self._settings:
            self._shrink(code)

    def __setitem__(self, key: SettingCodes | int, value: int) -> None:
        super().__setitem__(key, value)
        self._shrink(key)

    def _shrink(self, code: SettingCodes | int) -> None:
        values: Any = self._settings[code]
        if not isinstance(values, _Values):
            values = _Values(values)
            self._settings[code] = values
