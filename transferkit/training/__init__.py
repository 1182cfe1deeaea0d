"""What trains above the cut: phases, their batches, history, rates. Knows nothing of reports and exports."""
