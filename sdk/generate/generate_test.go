package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGenerated: the libraries are those of docs/openapi.json as it is.
func TestGenerated(t *testing.T) {
	files, err := generated("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join("..", name)); err != nil || string(got) != want {
			t.Errorf("sdk/%s is out of date (%v); go run ./sdk/generate", name, err)
		}
	}
	written, _ := filepath.Glob("../go/*.go")
	for _, file := range written {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), madeBy) && files["go/"+filepath.Base(file)] == "" {
			t.Errorf("%s is generated no more: delete it", file)
		}
	}
}
