"""The five grants, each from its beginning to a token that renews itself, through TokenManager."""

import pytest

from bitbucket_auth_async.bitbucket.connect import ConnectSigner, JwtGrant
from bitbucket_auth_async.errors import InvalidClientError, InvalidGrantError, LoginRequiredError, OAuthError
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, ClientCredentials, Password
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from tests.support.manager_world import STRICT, World


@pytest.fixture
def legacy_world(world: World) -> World:
    world.fake = FakeBitbucket(world.clock, legacy=True)
    world.transport.fake = world.fake
    return world


def _request(world: World, response_type: str = "code", server: AuthorizationServer = STRICT) -> AuthorizationRequest:
    callback = world.fake.registration().callback
    return AuthorizationRequest(
        server=server,
        client=world.fake.client,
        redirect_uri=callback,
        scope=frozenset({"account"}),
        response_type="token" if response_type == "token" else "code",
    )


async def test_a_code_is_exchanged_with_its_verifier_and_the_token_renews_itself(world: World) -> None:
    request = _request(world)
    manager = world.manager()
    token = await manager.exchange(request.judge(world.fake.authorize(request.url)))
    assert token.scope == frozenset({"account"})
    await world.expire()
    renewed = await manager.get_token()
    assert world.fake.is_live(renewed.access_token)
    assert [entry.grant_type for entry in world.fake.log] == ["authorization_code", "refresh_token"]
    assert (await world.record()).issuer.grant_type == "authorization_code"


async def test_a_code_is_refused_with_the_verifier_of_another_request(world: World) -> None:
    mine, theirs = _request(world), _request(world)
    code = mine.judge(world.fake.authorize(mine.url))
    stolen = AuthorizationCode(code.code, code.redirect_uri, theirs.code_verifier)
    with pytest.raises(InvalidGrantError):
        await world.manager().exchange(stolen)


async def test_a_code_can_be_exchanged_once(world: World) -> None:
    request = _request(world)
    code = request.judge(world.fake.authorize(request.url))
    manager = world.manager()
    token = await manager.exchange(code)
    with pytest.raises(InvalidGrantError):
        await manager.exchange(code)
    assert (await manager.get_token()) == token


async def test_an_implicit_token_is_used_to_its_end_and_then_asks_for_a_login(legacy_world: World) -> None:
    world = legacy_world
    request = _request(world, "token")
    token = request.judge_implicit(world.fake.authorize(request.url), received_at=world.clock.wall())
    manager = world.manager()
    assert (await manager.adopt(token)) == token
    await world.clock.advance(7200 - 31)
    assert (await manager.get_token()) == token
    await world.clock.advance(2)
    with pytest.raises(LoginRequiredError, match="without a refresh token"):
        await manager.get_token()


async def test_a_password_grant_is_replayed_if_its_refresh_token_is_dead(legacy_world: World) -> None:
    world = legacy_world
    world.fake.register_person("alice", password="secret")
    manager = world.manager(grant=Password("alice", "secret"))
    token = await manager.get_token()
    assert token.refresh_token is not None
    world.fake.kill_refresh_token(token.refresh_token)
    await world.clock.advance(7200)
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_bitbucket_of_2026_refuses_a_password_grant(world: World) -> None:
    with pytest.raises(OAuthError) as caught:
        await world.manager(grant=Password("alice", "secret")).get_token()
    assert not caught.value.retryable
    assert "secret" not in str(caught.value)


async def test_client_credentials_are_replayed_for_each_token(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    first = await manager.get_token()
    assert first.refresh_token is None
    await world.expire()
    assert (await manager.get_token()) != first
    assert [entry.grant_type for entry in world.fake.log] == ["client_credentials", "client_credentials"]


async def test_an_installation_signs_a_jwt_for_each_token(world: World) -> None:
    world.fake.register_installation("my-app", "installation", "s" * 32)
    signer = ConnectSigner(app_key="my-app", client_key="installation", shared_secret="s" * 32)
    manager = world.manager(client=signer, grant=JwtGrant())
    first = await manager.get_token()
    assert world.fake.is_live(first.access_token)
    await world.expire()
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_a_jwt_with_the_wrong_secret_is_an_invalid_client(world: World) -> None:
    world.fake.register_installation("my-app", "installation", "s" * 32)
    signer = ConnectSigner(app_key="my-app", client_key="installation", shared_secret="x" * 32)
    with pytest.raises(InvalidClientError):
        await world.manager(client=signer, grant=JwtGrant()).get_token()


async def test_default_keys_differ_between_clients_and_between_grants(world: World) -> None:
    grants = (
        None,
        ClientCredentials(),
        ClientCredentials(frozenset({"account"})),
        Password("a", "p"),
        Password("b", "p"),
    )
    keys = {world.manager(key=None, grant=grant).key for grant in grants}
    assert len(keys) == len(grants)
    assert world.manager(key=None).key == world.manager(key=None).key
