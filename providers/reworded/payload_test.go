package reworded

import (
	"maps"
	"testing"
)

func TestHeaderAsPayload(t *testing.T) {
	const head = "key: a\nhosts: [a.example]\nauth:\n  oauth:\n    type: oauth2\n"
	for name, c := range map[string]struct{ before, after string }{
		"nothing was a header":       {head + "    grant_type: client_credentials\n    token_url: https://a.example/t\n", head + "    grant_type: client_credentials\n    header_as_payload: true\n    token_url: https://a.example/t\n"},
		"the default grant type":     {head + "    token_url: https://a.example/t # says the vendor\n", head + "    header_as_payload: true\n    token_url: https://a.example/t # says the vendor\n"},
		"true was the body":          {head + "    header_as_payload: true # so\n    token_url: x\n", head + "    header_as_payload: false # so\n    token_url: x\n"},
		"on was, too":                {head + "    header_as_payload: on\n", head + "    header_as_payload: false\n"},
		"false was a header":         {head + "    header_as_payload: false\n", head + "    header_as_payload: true\n"},
		"who said how":               {head + "    token_auth: post\n    token_url: x\n", head + "    token_auth: post\n    token_url: x\n"},
		"no client there":            {head + "    grant_type: gcs_service_account\n", head + "    grant_type: gcs_service_account\n"},
		"no client there, said so":   {head + "    grant_type: jwt_bearer\n    header_as_payload: false\n", head + "    grant_type: jwt_bearer\n    token_auth: off # header_as_payload: false\n"},
		"in one line":                {"auth: {é: {type: oauth2, token_url: x}, key: {type: credentials}}\n", "auth: {é: {header_as_payload: true, type: oauth2, token_url: x}, key: {type: credentials}}\n"},
		"two ways":                   {"auth:\n  a:\n    type: oauth2\n    token_url: x\n  b:\n    type: oauth2\n    token_url: y\n", "auth:\n  a:\n    type: oauth2\n    header_as_payload: true\n    token_url: x\n  b:\n    type: oauth2\n    header_as_payload: true\n    token_url: y\n"},
		"as a form's YAML is":        {"auth:\n    oauth:\n        grant_type: client_credentials\n        token_url: x\n        type: oauth2\n", "auth:\n    oauth:\n        grant_type: client_credentials\n        header_as_payload: true\n        token_url: x\n        type: oauth2\n"},
		"credentials have no client": {"auth:\n  k:\n    type: credentials\n", "auth:\n  k:\n    type: credentials\n"},
		"no YAML":                    {"a: [", "a: ["},
		"nothing":                    {"", ""},
	} {
		if got := HeaderAsPayload(c.before); got != c.after {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.after)
		}
	}
}

func TestForm(t *testing.T) {
	for name, c := range map[string]struct{ before, after map[string]any }{
		"nothing":           {map[string]any{"token_url": "x"}, map[string]any{"token_url": "x", "header_as_payload": true}},
		"true":              {map[string]any{"header_as_payload": true}, map[string]any{"header_as_payload": false}},
		"false":             {map[string]any{"grant_type": "refresh_token", "header_as_payload": false}, map[string]any{"grant_type": "refresh_token", "header_as_payload": true}},
		"no client":         {map[string]any{"grant_type": "aws_iam"}, map[string]any{"grant_type": "aws_iam"}},
		"an MCP server":     {map[string]any{"mcp": "https://a.example"}, map[string]any{"mcp": "https://a.example"}},
		"nothing filled":    {nil, nil},
		"YAML of one's own": {map[string]any{"definition": "key: a"}, map[string]any{"definition": "key: a"}},
	} {
		if err := Form(c.before); err != nil || !maps.Equal(c.before, c.after) {
			t.Errorf("%s: %v, %v; want %v", name, c.before, err, c.after)
		}
	}
}
