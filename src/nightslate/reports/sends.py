"""What the page of a night says of what is sent by its slates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt

from nightslate.reports.document import Figure, figure
from nightslate.reports.plots import ESTIMATOR_COLOURS, inline, layered

_HEIGHT = 200


@dataclass(frozen=True)
class SendFigures:
    """slates: how many there are; sent: of them, by channel and the hour of the user's clock at which each
    may first be sent; unsent: how many are not, by reason. withheld: users without a slate, by reason.
    closed: by channel or arm, in words, how many users limits close it to."""

    slates: int
    sent: Mapping[tuple[str, int], int]
    unsent: Mapping[str, int]
    withheld: Mapping[str, int]
    closed: Mapping[str, int]

    @property
    def by_channel(self) -> dict[str, int]:
        """How many are sent by each channel."""
        found: dict[str, int] = {}
        for (channel, _), number in sorted(self.sent.items()):
            found[channel] = found.get(channel, 0) + number
        return found

    @property
    def chart(self) -> Figure | None:
        """The sends by hour, a colour a channel."""
        return figure(
            by_hour(self.sent),
            "How many messages may first be sent in each hour of the user's clock, by channel: "
            + ", ".join(f"{channel} {number}" for channel, number in self.by_channel.items())
            + ".",
        )


def by_hour(sent: Mapping[tuple[str, int], int]) -> alt.LayerChart | None:
    """How many sends begin in each hour, stacked by channel; None where nothing is sent."""
    if not sent:
        return None
    rows = [{"channel": channel, "hour": hour, "sends": n} for (channel, hour), n in sorted(sent.items())]
    channels = sorted({channel for channel, _ in sent})
    colours = [ESTIMATOR_COLOURS[place % len(ESTIMATOR_COLOURS)] for place in range(len(channels))]
    bars = (
        alt.Chart(inline(rows))
        .mark_bar()
        .encode(
            x=alt.X(
                "hour:O",
                title="hour of the user's clock",
                scale=alt.Scale(domain=list(range(24))),
                axis=alt.Axis(labelAngle=0, grid=False),
            ),
            y=alt.Y("sends:Q", title="messages", stack=True, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("channel:N", title="channel", scale=alt.Scale(domain=channels, range=colours)),
        )
    )
    return layered([bars], _HEIGHT)
