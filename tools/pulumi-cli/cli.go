//go:build pulumi

// Package pulumicli pins the Pulumi CLI as a dependency, so that `go build`
// can build it from the module proxy with the checksums in go.sum.
package pulumicli

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
