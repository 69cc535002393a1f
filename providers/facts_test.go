package providers_test

import (
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every fact that testdata/facts.csv has of a service stands in its connector, or
// testdata/facts.txt says why it does not. A fact is one value of a cell: a host, a
// header, a scope. What a cell says beside that, in words, is not looked for.
func TestFacts(t *testing.T) {
	f, err := os.Open("testdata/facts.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known, used, facts, lost := reasons(t, "testdata/facts.txt"), map[string]bool{}, 0, 0
	for _, row := range table[1:] {
		key := row[0]
		if other := known[key+" key"]; other != "" {
			used[key+" key"] = true
			if key, _, _ = strings.Cut(other, ":"); key == "none" {
				continue
			}
		}
		src, err := os.ReadFile("catalog/" + key + ".yaml")
		if err != nil {
			t.Errorf("%s key\tthere is no connector %s", row[0], key)
			continue
		}
		text := strings.ToLower(string(src))
		for i, column := range table[0] {
			for _, fact := range factsOf(column, row[i]) {
				facts++
				if stands(text, fact) {
					continue
				}
				name := row[0] + " " + column
				if known[name] != "" {
					used[name] = true
					continue
				}
				lost++
				t.Errorf("%s\t%s does not stand in %s", name, fact, key)
			}
		}
	}
	for name := range known {
		if !used[name] {
			t.Errorf("testdata/facts.txt: %s is not needed any more", name)
		}
	}
	t.Logf("%d facts, %d lost, %d with a reason", facts, lost, len(known))
	if facts < 4000 {
		t.Errorf("%d facts; is this test blind?", facts)
	}
}

var (
	inBraces   = regexp.MustCompile(`\{[^{}]*\}`)
	headerName = regexp.MustCompile(`(?:^|; )([A-Za-z0-9_-]+): `)
	queryName  = regexp.MustCompile(`(?:^|[; ])[?&]([A-Za-z0-9_.-]+)=`)
	inBrackets = regexp.MustCompile(`\([^()]*\)`)
	parameter  = regexp.MustCompile(`^([A-Za-z_]+)=(\S+)$`)
)

// factsOf takes a cell apart. An alternative is written with | between its forms.
func factsOf(column, cell string) []string {
	if cell == "" {
		return nil
	}
	plain := inBrackets.ReplaceAllString(cell, " ")
	switch column {
	case "api_hosts":
		return hostFacts(plain)
	case "base_url", "authorize_url", "token_url", "device_url", "revoke_url":
		u, _, _ := strings.Cut(strings.TrimSpace(plain), " ")
		u, _, _ = strings.Cut(u, "?")
		u = strings.ReplaceAll(u, "/common/", "/{tenant}/") // Microsoft's; a default of ours
		if u = strings.TrimPrefix(u, "https://"); column == "base_url" {
			u, _, _ = strings.Cut(u, "/") // paths are the agent's
		}
		return literal(u)
	case "header_or_param":
		return placeFacts(cell)
	case "pkce":
		return map[string][]string{"required": {"pkce: required"}, "no": {"pkce: off"}, "supported": {"pkce: supported|pkce: required"}}[cell]
	case "scope_separator":
		return map[string][]string{"comma": {`scope_separator: ","`}, "plus": {`scope_separator: "+"|scope_separator: +`}}[cell] // a space is the default
	case "token_auth_style":
		return map[string][]string{"basic": {"token_auth: basic|auth: basic|header_as_payload: true"}, "none": {"token_auth: none|auth: none"}}[cell] // post is the default
	case "default_scopes":
		return slices.DeleteFunc(strings.FieldsFunc(plain, func(r rune) bool { return r == ' ' || r == ',' }), func(s string) bool { return strings.Contains(s, "{") })
	case "authorize_params":
		var out []string
		for p := range strings.FieldsSeq(plain) {
			if m := parameter.FindStringSubmatch(p); m != nil {
				out = append(out, m[1])
			}
		}
		return out
	case "auth":
		return map[string][]string{"oauth2_code": {"authorize_url:"}, "oauth2_client_credentials": {"grant_type: client_credentials"}, "oauth1": {"oauth1"}, "sigv4": {"sigv4"},
			"gcp_service_account": {"gcs_service_account"}, "basic": {"basic"}, "query": {"query:"}, "header": {"header:|bearer"}, "path": {"path:"}}[cell]
	case "auth_alternatives":
		var out []string
		for word, text := range map[string]string{"oauth2_device": "device_code", "gcp_service_account": "gcs_service_account", "oauth2_client_credentials": "client_credentials", "oauth2_code": "authorize_url:|type: delegate"} {
			if strings.Contains(cell, word) {
				out = append(out, text)
			}
		}
		return out
	case "test_request":
		_, u, _ := strings.Cut(plain, "://")
		_, path, _ := strings.Cut(u, "/")
		path, _, _ = strings.Cut(path, " ")
		path, _, _ = strings.Cut(path, "?")
		return literal("/" + path)
	}
	return nil // words for people: title, category, account_fields, refresh, token_quirks, docs_url, confidence
}

// literal is the longest part of a text without its templates.
func literal(s string) []string {
	best := ""
	for _, part := range inBraces.Split(s, -1) {
		if len(part) > len(best) {
			best = part
		}
	}
	if best = strings.Trim(best, "./:"); len(best) < 3 {
		return nil
	}
	return []string{best}
}

func hostFacts(cell string) []string {
	var out []string
	for h := range strings.FieldsSeq(cell) {
		if h == "{host}" || h == "*" {
			out = append(out, "format: host")
			continue
		}
		h = inBraces.ReplaceAllString(h, "*")
		h = h[strings.LastIndexByte(h, '*')+1:]
		h, _, _ = strings.Cut(strings.Trim(h, ".,;"), "/")
		if strings.Contains(h, ".") {
			out = append(out, h)
		}
	}
	return out
}

// placeFacts are the headers and parameters in which a credential goes.
func placeFacts(cell string) []string {
	var out []string
	for _, m := range headerName.FindAllStringSubmatch(cell, -1) {
		switch {
		case !strings.EqualFold(m[1], "Authorization"):
			out = append(out, m[1])
		case strings.Contains(cell, "Basic"):
			out = append(out, "basic")
		case strings.Contains(cell, "Bearer"):
			out = append(out, "bearer|type: oauth2") // the default of OAuth 2
		default:
			out = append(out, "authorization|bearer|sigv4|oauth1")
		}
	}
	for _, m := range queryName.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

func stands(text, fact string) bool {
	for form := range strings.SplitSeq(strings.ToLower(fact), "|") {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}
