"""What lies between a script and its pages: plans of panels, the easel that draws them, the record of how."""
