"""Bad input of every class, to every route of the deployed agent."""

from itertools import islice

import httpx

from acceptance.agent.inputs import bad_input
from acceptance.agent.inputs.bad_answer import examine
from acceptance.agent.inputs.bad_input import is_refused
from acceptance.agent.inputs.request import Request, routes_of
from acceptance.harness.errors import expect
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most

REQUESTS = {"scenario-20-bad-input": 200, "endurance-bad-input": 1000}
SHOWN = 5
AGENT = "http://127.0.0.1:8080"


@proves("scenario-20-bad-input", "endurance-bad-input")
def test_bad_input_is_refused_in_time_and_never_a_server_error(
    entry: Entry, agent: Api, app_token: str, judge: Judge
) -> None:
    routes = routes_of(agent.json("GET", "/openapi.json"))
    chosen = list(islice(bad_input.cases(routes), REQUESTS[entry.id]))
    expect(len(chosen) == REQUESTS[entry.id], f"{REQUESTS[entry.id]} requests", len(chosen))
    met = (len({(case.route.method, case.route.path) for case in chosen}), len({case.input for case in chosen}))
    expect(met == (len(routes), len(bad_input.CLASSES)), "every route and every class", met)

    def send(request: Request) -> httpx.Response:
        headers = request.raw_headers(app_token)
        return agent.call(request.method, request.path, headers=headers, content=request.body)

    found = [(case, examine(send, case.request, is_refused=is_refused(case))) for case in chosen]

    wrong = [
        f"{case.input} in {case.place}: {one.complaint}\n{case.request.curl(AGENT)}"
        for case, one in found
        if one.complaint
    ]
    expect(not wrong, "every answer as promised", f"{len(wrong)} not so\n" + "\n".join(wrong[:SHOWN]))
    statuses = [one.status for _, one in found]
    judge(count("requests", found), most("slowest_s", *(one.seconds for _, one in found)))
    judge(count("unavailable", [one for one in statuses if one == httpx.codes.SERVICE_UNAVAILABLE]))
    judge(count("server_errors", [one for one in statuses if httpx.codes.is_server_error(one)]))
