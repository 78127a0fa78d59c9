from inkcast.cli import main

main()
