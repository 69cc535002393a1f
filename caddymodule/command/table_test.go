package command

import (
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryAnswerAsJSON: each command that asks the REST API can print JSON.
func TestEveryAnswerAsJSON(t *testing.T) {
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() || cmd.Flags().Lookup("admin") == nil {
			return
		}
		seen++
		if cmd.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", cmd.CommandPath())
		}
		if cmd.Short == "" {
			t.Errorf("%s does not say what it does", cmd.CommandPath())
		}
	}
	for _, c := range All {
		cmd := &cobra.Command{Use: c.Name, Short: c.Short}
		c.CobraFunc(cmd)
		walk(cmd)
	}
	if seen < 80 {
		t.Errorf("%d commands ask the API; the walk is out of date", seen)
	}
}
