module github.com/consensus-go/consensus/examples/kv

go 1.26.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/consensus-go/consensus v0.0.0
	github.com/stretchr/testify v1.12.1
	github.com/tidwall/btree v1.8.2
	github.com/tidwall/redcon v1.6.4
	pgregory.net/rapid v1.3.0
)

require (
	github.com/tidwall/match v1.1.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace github.com/consensus-go/consensus => ../..
