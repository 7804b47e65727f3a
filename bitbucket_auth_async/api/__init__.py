"""A thin session for Bitbucket's REST API: paging, typed errors, retries, a shared rate limit."""

from bitbucket_auth_async.api.create import create_authenticated_api
from bitbucket_auth_async.api.errors import (
    ApiError,
    GoneError,
    MissingScopeError,
    NoAnswerError,
    NotFoundError,
    RateLimitedError,
)
from bitbucket_auth_async.api.paging import Page
from bitbucket_auth_async.api.rate_limit import RateLimit
from bitbucket_auth_async.api.session import BitbucketAPI

__all__ = [
    "ApiError",
    "BitbucketAPI",
    "GoneError",
    "MissingScopeError",
    "NoAnswerError",
    "NotFoundError",
    "Page",
    "RateLimit",
    "RateLimitedError",
    "create_authenticated_api",
]
