package transport

// signal fills the one slot of a wake-up channel.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
