"""Settings of requests: their limits, a sender's share, and how they are noticed."""

from __future__ import annotations

from pydantic import Field

from stacks.setting_types import ApplicationId, SettingGroup, Trigger


class RequestSettings(SettingGroup):
    """What a request may ask for, and what tells of it."""

    request_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Limit on requests: bytes of one")
    max_frames: int = Field(1_000_000, ge=1, le=10_000_000, examples=[500000], description="Limit on requests: frames of one job")
    max_pixels: int = Field(
        35_389_440, ge=4096, le=134_217_728, examples=[8294400], description="Limit on requests: pixels of one frame"
    )
    max_gigapixels: int = Field(
        10_000, ge=1, le=1_000_000, examples=[5000], description="Limit on requests: frames times pixels of one job, in 10^9"
    )
    max_counted_gigapixels: int = Field(
        500,
        ge=1,
        le=1_000_000,
        examples=[200],
        description="Limit on requests: the same of videos whose frames are counted by decoding (AVI, Ogg, raw)",
    )
    max_packets: int = Field(
        20_000_000,
        ge=1_000,
        le=200_000_000,
        examples=[10000000],
        description="Limit on requests: packets of one video, its sound and subtitles, and boxes of its file",
    )
    max_batch_pixels: int = Field(
        134_217_728,
        ge=4_096,
        le=2_147_483_648,
        examples=[67108864],
        description="Limit on requests: pixels of all frames that the model takes at once",
    )
    max_image_mb: int = Field(300, ge=1, le=10_000, examples=[100], description="Limit on requests: MB of one image")
    max_input_gb: int = Field(
        1_000, ge=1, le=10_000, examples=[200], description="Limit on requests: GB of one video, or of all images of a folder"
    )
    probe_seconds: int = Field(
        600,
        ge=10,
        le=3600,
        examples=[300],
        description="Limit on requests: seconds that looking at one video or style may take, and half of submitMinutes at most",
    )
    probe_memory_mb: int = Field(
        1600,
        ge=800,
        le=1700,
        examples=[1400],
        description="Limit on requests: MiB of address space for looking at one; 400 are its code, 2 GiB is all there is",
    )
    sender_frames: int = Field(
        2_000_000,
        ge=0,
        le=100_000_000,
        examples=[500000],
        description="Limit on one sender's day (UTC): frames; 0: none",
    )
    sender_gigapixels: int = Field(
        20_000,
        ge=0,
        le=10_000_000,
        examples=[5000],
        description="Limit on one sender's day (UTC): frames times pixels, in 10^9; 0: none",
    )
    sender_gpu_minutes: int = Field(
        2_880,
        ge=0,
        le=1_000_000,
        examples=[600],
        description="Limit on one sender's day (UTC): minutes of a GPU, as scorer plan reckons them at its lower speed; 0: none",
    )
    sender_gb: int = Field(
        2_000,
        ge=0,
        le=1_000_000,
        examples=[500],
        description="Limit on one sender's day (UTC): GB of videos and images; 0: none",
    )
    sender_priority: int = Field(
        0,
        ge=-100,
        le=100,
        examples=[50],
        description="Highest priority that a sender's request may ask for",
    )
    max_active_jobs: int = Field(
        100, ge=1, le=300, examples=[50], description="Limit on requests: jobs that run at once; later ones wait"
    )
    trigger: Trigger = Field(
        "events",
        examples=["polling"],
        description="What tells of requests: events (Event Grid, at once) or polling (every pollMinutes)",
    )
    event_app_id: ApplicationId = Field(
        "",
        description="Client id of the application that Event Grid shows a token for, instead of a secret address; not confirmed",
    )
    poll_minutes: int = Field(
        15, ge=1, le=1440, examples=[5], description="Minutes between two polls for requests that still wait"
    )
    max_submitters: int = Field(
        10, ge=1, le=90, examples=[5], description="Limit on requests: container groups that take them in at once"
    )
    submit_minutes: int = Field(
        30, ge=5, le=720, examples=[20], description="Limit on requests: minutes that taking one in may last"
    )
