"""What one phase of training reads, keeps, resumes and shows."""
