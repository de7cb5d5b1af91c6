//go:build !linux

package main

import "errors"

var errNoNamespaces = errors.New("network namespaces are Linux's")

func canNamespaces() error { return errNoNamespaces }

func newNamespaces([]int) (network, error) { return nil, errNoNamespaces }
