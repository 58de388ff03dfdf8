"""The machine: from architecture, plan and work to the stage graph, with the actions each stage is charged for."""
