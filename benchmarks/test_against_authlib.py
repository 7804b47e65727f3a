"""The same work done by Authlib's AsyncOAuth2Client, where it can do it: a fresh token, and callers at expiry."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import side_by_side, tell
from benchmarks.world import LIFETIME, SERVER, AheadClock, CountingServer
from bitbucket_auth_async import Client, RefreshToken, TokenManager
