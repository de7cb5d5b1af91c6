// Package sim simulates a cluster of replicas, deterministically: real engines under the real
// Replica and Machine, with the real message codec, on a simulated network, disks, clocks and
// clients that fail in every way they may.
package sim
