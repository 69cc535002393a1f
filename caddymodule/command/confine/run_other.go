//go:build !linux

package confine

// Run says that there is none.
func Run(Command) error {
	return &Lacking{What: "that takes Linux; on other systems run it in a container whose network has no way out but the proxy"}
}
