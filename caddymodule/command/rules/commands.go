package rules

import "github.com/spf13/cobra"

// Commands are those of the room.
func Commands(r Room) []*cobra.Command {
	return []*cobra.Command{r.suggest(), r.replay(), r.diff(), r.test()}
}
