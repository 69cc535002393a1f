// Package preload has what some runtimes read before a program, so that clients which
// know no variable for proxies or roots come through the proxy all the same.
package preload

import _ "embed"

// Names of the files, as they are written.
const (
	NodeName = "node.cjs"
	PHPName  = "prepend.php"
	RName    = "profile.R"
)

var (
	// Node is for NODE_OPTIONS=--require.
	//go:embed node.cjs
	Node []byte
	// PHP is for auto_prepend_file.
	//go:embed prepend.php
	PHP []byte
	// R is for R_PROFILE_USER.
	//go:embed profile.R
	R []byte
)
