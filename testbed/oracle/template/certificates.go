package main

func certificateFunctions() map[string]any {
	return nil
}
