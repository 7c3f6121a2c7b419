"""Starting and stopping students' containers, in the Hub's process: spawner and launch form."""
