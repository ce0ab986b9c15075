"""Whatever the OpenAPI document of the endpoint allows, and whatever it forbids, is answered.

Left out is the check that all which the document allows is accepted: what an Encounter must be is
FHIR's to say, and the document says only that it is an object with a ``resourceType``.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.fhir.test_surface import Endpoint

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

ENDPOINT = Endpoint(max_requests_per_s=1_000_000)
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", ENDPOINT.app)


@SCHEMA.parametrize()
@settings(max_examples=15)
def test_every_route_answers_as_its_description_says(case: schemathesis.Case[Any]) -> None:
    response = case.call()
    assert response.status_code < 500
    assert response.headers["content-type"] == ["application/fhir+json"]
    assert response.json()["resourceType"] in {
        "OperationOutcome", "CapabilityStatement", "Bundle",
    }  # fmt: skip
    case.validate_response(response, excluded_checks=[positive_data_acceptance])
