package rest

import (
	_ "embed"
	"encoding/json"
	"sync"
)

// examples.json has a request's body by operation.
//
//go:embed examples.json
var examplesText []byte

// examples are read when the document is made, not at every start.
var examples = sync.OnceValue(func() (out map[string]any) {
	if err := json.Unmarshal(examplesText, &out); err != nil {
		panic("examples.json: " + err.Error())
	}
	return out
})
