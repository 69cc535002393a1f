package session

import (
	"encoding/json"
	"testing"
)

// What earlier releases stored was a map of texts: it is read, and written again
// in the same words, so that replicas of both can take turns.
func TestDataOfEarlierReleases(t *testing.T) {
	const device = `{"app_id":"app_1","browser":"b","cookie":"c","error_code":"E","interval_ms":"5000","more":"a b","next_ms":"1790000000123","option":"oauth","other":"1","pinned":"oauth","reach":"link","redirect_uri":"https://c.example/cb","until":"1790000000","user_code":"ABCD","verify":"https://s.example/device","verify_direct":"https://s.example/device?c=ABCD"}`
	want := Data{Reach: "link", Pinned: "oauth", Other: true, More: "a b", Option: "oauth", AppID: "app_1", RedirectURI: "https://c.example/cb", Browser: "b", Cookie: "c",
		Until: 1790000000, ErrorCode: "E", UserCode: "ABCD", Verify: "https://s.example/device", Complete: "https://s.example/device?c=ABCD", Interval: 5000, Next: 1790000000123}
	for stored, want := range map[string]Data{device: want, `null`: {}, `{}`: {}, `{"reach":"api","more":"","pinned":"","verify_direct":"","later":"unknown"}`: {Reach: "api"}} {
		var got Data
		if err := json.Unmarshal([]byte(stored), &got); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", stored, got, err)
			continue
		}
		before, after := map[string]string{}, map[string]string{}
		text, err := json.Marshal(got)
		if err != nil || json.Unmarshal([]byte(stored), &before) != nil || json.Unmarshal(text, &after) != nil {
			t.Fatalf("%s is no map of texts: %v", text, err)
		}
		delete(before, "later") // a word that we do not know
		for name, v := range before {
			if after[name] != v {
				t.Errorf("%s = %q was written again as %q", name, v, after[name])
			}
		}
		if len(after) > len(before) {
			t.Errorf("%s was written again as %s", stored, text)
		}
	}
}
